package delivery

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFifoHandsOutInOrderWhileItGrowsAndShrinks(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 0))
	var q FIFO[int]
	var model []int
	for next := range 20_000 {
		if growing := next/2000%2 == 0; chance.IntN(4) > 0 == growing {
			q.Push(next)
			model = append(model, next)
		} else {
			item, ok := q.Pop()
			require.Equal(t, len(model) > 0, ok)
			if ok {
				require.Equal(t, model[0], item)
				model = model[1:]
			}
		}
		require.Equal(t, len(model), q.Len())
		if next%100 == 0 {
			require.Equal(t, append([]int{}, model...), q.Items())
		}
	}
}

func TestFifoGivesItsMemoryBack(t *testing.T) {
	var q FIFO[*int]
	for range 100_000 {
		q.Push(new(int))
	}
	for range 100_000 {
		_, ok := q.Pop()
		require.True(t, ok)
	}
	require.Len(t, q.ring, fifoMinimum)
	for _, item := range q.ring {
		require.Nil(t, item, "nothing that was popped is kept alive")
	}
}
