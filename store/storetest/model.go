package storetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

var modelEndpoints = []string{"a", "b", "c"}

// model is what a Keeper has to keep.
type model struct {
	*fixture
	held    map[string][]modelHold // by endpoint, in the order of acceptance
	letters []modelLetter          // in the order of giving up
	unseen  int                    // the latest of them that no reader could find yet
	group   store.Group            // what the next commit asks for
}

type modelHold struct {
	store.HoldRecord
	event store.EventRecord
}

type modelLetter struct {
	store.LetterRecord
	modelHold
}

func testModel(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{fixture: begin(t, open), held: map[string][]modelHold{}}
		defer func() { require.NoError(rt, m.Close()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"accept":  m.accept,
			"try":     m.try,
			"end":     m.end,
			"give up": m.giveUp,
			"replay":  m.replay,
			"delete":  m.delete,
			"commit":  m.commitGroup,
			"restart": func(*rapid.T) { m.restart() },
			"fail": func(rt *rapid.T) { // it was there nevertheless, or was not
				if rapid.Bool().Draw(rt, "there") {
					m.commit(m.group)
					m.unseen = 0
				}
				require.NoError(rt, m.Reopen())
			},
		})
		m.commitGroup(rt)
	})
}

func (m *model) accept(rt *rapid.T) {
	event := m.message()
	if rapid.Bool().Draw(rt, "other class") {
		event = m.newEvent(&messages.AuthSuccess{ClientID: "c"})
	}
	by := rapid.SliceOfNDistinct(rapid.SampledFrom(modelEndpoints), 1, len(modelEndpoints), rapid.ID[string]).Draw(rt, "by")
	m.group.Events = append(m.group.Events, event)
	for _, endpoint := range by {
		h := m.hold(endpoint, event)
		h.Shared = len(by) > 1
		m.group.Holds = append(m.group.Holds, h)
		m.held[endpoint] = append(m.held[endpoint], modelHold{h, event})
	}
}

// draw draws one of those that are held, and its endpoint.
func (m *model) draw(rt *rapid.T) (endpoint string, at int) {
	endpoint = rapid.SampledFrom(modelEndpoints).Draw(rt, "endpoint")
	if len(m.held[endpoint]) == 0 {
		rt.Skip("it holds nothing")
	}
	return endpoint, rapid.IntRange(0, len(m.held[endpoint])-1).Draw(rt, "at")
}

func (m *model) try(rt *rapid.T) {
	endpoint, at := m.draw(rt)
	h := &m.held[endpoint][at]
	h.Tries.Attempts++
	h.Tries.Begun = !h.Tries.Begun
	m.group.Tries = append(m.group.Tries, store.TriesRecord{Endpoint: endpoint, Place: h.Place, Tries: h.Tries})
}

func (m *model) end(rt *rapid.T) {
	endpoint, at := m.draw(rt)
	m.group.Ends = append(m.group.Ends, endOf(m.held[endpoint][at].HoldRecord))
	m.held[endpoint] = slices.Delete(m.held[endpoint], at, at+1)
}

func (m *model) giveUp(rt *rapid.T) {
	endpoint, at := m.draw(rt)
	h := m.held[endpoint][at]
	letter := m.letter(h.HoldRecord, h.event)
	m.group.Letters = append(m.group.Letters, letter)
	m.letters = append(m.letters, modelLetter{letter, h})
	m.unseen++
	m.held[endpoint] = slices.Delete(m.held[endpoint], at, at+1)
}

// drawLetter draws a letter that a reader finds.
func (m *model) drawLetter(rt *rapid.T) int {
	seen := len(m.letters) - m.unseen
	if seen == 0 {
		rt.Skip("there are none")
	}
	return rapid.IntRange(0, seen-1).Draw(rt, "letter")
}

func (m *model) replay(rt *rapid.T) {
	at := m.drawLetter(rt)
	letter := m.letters[at]
	h := m.hold(letter.Letter.Endpoint, letter.event)
	m.group.Replays = append(m.group.Replays, store.ReplayRecord{Letter: letter.Letter.ID, Hold: h})
	m.held[h.Endpoint] = append(m.held[h.Endpoint], modelHold{h, letter.event})
	m.letters = slices.Delete(m.letters, at, at+1)
}

func (m *model) delete(rt *rapid.T) {
	at := m.drawLetter(rt)
	m.group.Deleted = append(m.group.Deleted, m.letters[at].Letter.ID)
	m.letters = slices.Delete(m.letters, at, at+1)
}

// commitGroup commits what was gathered, and compares.
func (m *model) commitGroup(rt *rapid.T) {
	m.commit(m.group)
	m.group, m.unseen = store.Group{}, 0
	for _, endpoint := range modelEndpoints {
		found, err := m.Held(endpoint, 0, all)
		require.NoError(rt, err)
		require.Empty(rt, found.Damaged)
		require.Len(rt, found.Events, len(m.held[endpoint]), endpoint)
		for i, want := range m.held[endpoint] {
			got := found.Events[i]
			require.Equal(rt, want.Place, got.Place)
			require.Equal(rt, want.Tries, got.Tries)
			require.Equal(rt, want.event.Event.Stored(), got.Event.Stored())
		}
	}
	page, err := m.Letters(m.t.Context(), store.DeadLetterQuery{Limit: 1 << 20})
	require.NoError(rt, err)
	require.Len(rt, page.Letters, len(m.letters))
	for i, want := range m.letters {
		require.Equal(rt, want.Letter.ID, page.Letters[i].ID)
		found, err := m.Letter(m.t.Context(), want.Letter.ID)
		require.NoError(rt, err)
		require.Equal(rt, string(want.event.Event.Body()), string(found.Event))
	}
	require.Equal(rt, len(m.letters), m.Usage().Letters)
}
