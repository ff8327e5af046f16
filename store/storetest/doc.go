// Package storetest holds the tests that every store.Keeper passes.
package storetest

import (
	"testing"

	"github.com/fluxmq/webhookd/store"
)

// Open opens the Keeper of a folder: one that is new, or one that a Keeper before it left, which was closed.
type Open func(t *testing.T, dir string) store.Keeper

// Run tests the Keepers that open opens.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"NewKeeperIsEmpty":                             testNew,
		"EventsComeBackInOrder":                        testOrder,
		"EventOfEveryTypeComesBackAsItWas":             testTypes,
		"ReadingStopsBeforeTheMostIsExceeded":          testMost,
		"StubsAreOfOneClass":                           testStubs,
		"EndedEventIsNotHeld":                          testEnd,
		"EventHeldAndEndedInOneGroupIsNotHeld":         testEndAtOnce,
		"EventLastsAsLongAsOneHoldsIt":                 testShared,
		"TriesAreKept":                                 testTries,
		"LetterTakesTheEventsPlace":                    testLetter,
		"ReplayedLetterIsHeldAgain":                    testReplay,
		"LetterAndOthersShareAnEvent":                  testSharedLetter,
		"OldestLettersGiveWayToABoundOfBytes":          testTrimBytes,
		"LettersThatAreTooOldAreDeleted":               testTrimAge,
		"LettersAreFoundByEveryFilter":                 testFilters,
		"PageBeginsAfterALetterThatIsOrWas":            testAfter,
		"ListingEndsWithItsContext":                    testContext,
		"EndpointsAreKnownWithTheirAccounts":           testEndpoints,
		"NumbersGoOn":                                  testLast,
		"GroupThatIsCommittedAgainChangesNothing":      testAgain,
		"ReadingGoesOnBesideCommits":                   testBeside,
		"CompactingLosesNothing":                       testCompact,
		"WhatIsClosedSaysSo":                           testClosed,
		"RoomIsMeasured":                               testUsage,
		"ManyEndpointsAreKeptApart":                    testApart,
		"LetterThatIsDeletedIsNotFound":                testDelete,
		"NoGroupBreaksOnWhatIsNotThere":                testNotThere,
		"ThePlaceOfAReplayCountsNotThatOfTheFirstHold": testReplayPlace,
	} {
		t.Run(name, func(t *testing.T) { test(t, begin(t, open)) })
	}
	t.Run("AnyGroupsLeaveWhatTheModelSays", func(t *testing.T) { testModel(t, open) })
}
