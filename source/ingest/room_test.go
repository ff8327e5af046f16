package ingest

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func uncut() { panic("cut") }

func TestFirstBodyNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(100)
		first, second := r.enter(uncut), r.enter(uncut)
		require.NoError(t, first.take(10))
		require.NoError(t, second.take(40), "down to the half that is the first one's")
		began := time.Now()
		require.ErrorIs(t, second.take(1), errNoRoom)
		require.Equal(t, roomPatience, time.Since(began))
		require.NoError(t, first.take(40))
		first.leave()
		require.NoError(t, second.take(10), "it is the first now")
		require.Equal(t, roomPatience, time.Since(began))
		second.leave()
		requireEmpty(t, r)
	})
}

func TestBodyWaitsUntilRoomIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(100)
		first, second, third := r.enter(uncut), r.enter(uncut), r.enter(uncut)
		require.NoError(t, second.take(50))
		const while = time.Second + time.Millisecond // and not when a look finds it by chance
		time.AfterFunc(while, func() { second.giveBack(20) })
		began := time.Now()
		require.NoError(t, third.take(20))
		require.Equal(t, while, time.Since(began))
		for _, s := range []*share{second, first, third} {
			s.leave()
		}
		requireEmpty(t, r)
	})
}

func TestNoBodyTakesMoreThanHalfTheRoom(t *testing.T) {
	r := newRoom(100)
	only := r.enter(uncut)
	require.NoError(t, only.take(50))
	require.ErrorIs(t, only.take(1), errTooLarge)
	only.giveBack(1)
	require.NoError(t, only.take(1))
	only.leave()
	requireEmpty(t, r)
}

func TestSlowBodiesAreCutOnceOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cuts := map[string]time.Duration{}
		r, began := newRoom(100), time.Now()
		enter := func(name string) *share {
			return r.enter(func() { cuts[name] = time.Since(began) })
		}
		slow, unfolding, quick := enter("slow"), enter("unfolding"), enter("quick")
		require.NoError(t, quick.take(50))
		slow.awaitPiece()
		unfolding.awaitPiece()
		unfolding.awaitNothing()
		time.Sleep(time.Minute)
		require.Empty(t, cuts, "while nobody waits")

		began = time.Now()
		slow.awaitPiece()
		waiting := r.enter(uncut)
		time.AfterFunc(slowPiece/2, quick.awaitPiece)
		time.AfterFunc(slowPiece*5/4, quick.awaitPiece)
		time.AfterFunc(2*slowPiece, func() { quick.leave() })
		require.NoError(t, waiting.take(50))
		require.Len(t, cuts, 1)
		require.Greater(t, cuts["slow"], slowPiece)
		for _, s := range []*share{slow, unfolding, waiting} {
			s.leave()
		}
		requireEmpty(t, r)
	})
}

// TestBodiesThatWaitForEachOtherAllEnd has twenty bodies take all that one may take, in pieces, where two have room.
func TestBodiesThatWaitForEachOtherAllEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(200)
		r.patience = time.Hour
		var bodies sync.WaitGroup
		for seed := range uint64(20) {
			chance := rand.New(rand.NewPCG(1, seed))
			bodies.Go(func() {
				s := r.enter(uncut)
				defer s.leave()
				for left := int64(100); left > 0; {
					n := min(left, 1+chance.Int64N(30))
					if !assert.NoError(t, s.take(n)) {
						return
					}
					left -= n
					time.Sleep(time.Duration(chance.IntN(100)) * time.Millisecond)
				}
			})
		}
		bodies.Wait()
		requireEmpty(t, r)
	})
}

func requireEmpty(t *testing.T, r *room) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, r.whole, r.free)
	require.Empty(t, r.bodies)
}
