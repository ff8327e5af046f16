package bolt

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"github.com/fluxmq/webhookd/messages"
)

// maxProblems is how many problems are told one by one.
const maxProblems = 1000

// soundness is what a look through all pages of a file found.
type soundness struct {
	problems int
	first    error
	all      []error     // the first maxProblems
	pages    int         // that are in use
	reading  error       // the first that came of the disk, and may be gone the next time
	newer    *newerError // not nil: nothing else counts
}

// newerError tells that a file is not to be touched.
type newerError struct{ format string }

func (e *newerError) Error() string {
	return "it was written by a later version of webhookd, in " + e.format + ", and is left as it is"
}

func laterVersion(version uint32) *newerError {
	return &newerError{fmt.Sprintf("version %d of the store's format", version)}
}

func (s *soundness) err() error {
	if s.problems > 1 {
		return fmt.Errorf("%w (and %d more)", s.first, s.problems-1)
	}
	return s.first
}

func (s *soundness) bad(err error) {
	if s.problems++; s.first == nil {
		s.first = err
	}
	if len(s.all) < maxProblems {
		s.all = append(s.all, err)
	}
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) && s.reading == nil {
		s.reading = err
	}
}

// checkPages looks through all pages, and through the records of all but the events: a body that is damaged is found when
// it is read, and nothing else is the worse for it. A brief look leaves out the pages of the events, which are most of a
// file, and the list of free pages.
func checkPages(file *os.File, brief bool) *soundness {
	s := &soundness{}
	p, err := openPages(file)
	if err != nil {
		errors.As(err, &s.newer)
		s.bad(err)
		return s
	}
	var letters, byEndpoint, byType idSum
	var lastName uint32
	stated := false
	w := newWalk(p, func(bucket string, key, value []byte) {
		if expected, sealed := sealedKinds[bucket]; sealed {
			s.checkRecord(bucket, expected, key, value)
		}
		switch bucket {
		case string(lettersBucket):
			letters.add(key)
		case string(byEndpointIndex):
			byEndpoint.add(key)
		case string(byTypeIndex):
			byType.add(key)
		case string(namesBucket):
			if len(key) == 4 {
				lastName = max(lastName, endpointOfKey(key))
			}
		case string(metaBucket):
			found, _ := kindOf(key, value)
			stated = stated || found == kindState
			s.version(key, value)
		}
	}, s.bad)
	w.brief, w.scratch = brief, &scratch{}
	w.all()
	if letters != byEndpoint || letters != byType {
		s.bad(fmt.Errorf("the indexes of the dead letters do not have what there is (%d, %d and %d)", letters.count, byEndpoint.count, byType.count))
	}
	if !stated {
		s.bad(fmt.Errorf("bucket meta, record state: %w", errMissing))
	}
	if uint64(lastName) > w.buckets[string(namesBucket)] {
		s.bad(errors.New("the numbers of the endpoints do not go on"))
	}
	if err := w.freelist(); err != nil {
		s.bad(err)
	}
	s.pages = w.reached.len()
	return s
}

func (s *soundness) version(key, value []byte) {
	if f, err := unseal(kindVersion, key, value); err == nil {
		if version := f.uint32(); version > formatVersion {
			s.newer = laterVersion(version)
		}
	}
}

// sealedKinds are the kinds of the records in the buckets where each has to be whole.
var sealedKinds = map[string]kind{
	string(endpointsBucket): kindEndpoint,
	string(namesBucket):     kindName,
	string(heldBucket):      kindHold,
	string(sharedBucket):    kindShared,
	string(lettersBucket):   kindLetter,
}

func (s *soundness) checkRecord(bucket string, expected kind, key, value []byte) {
	found, err := kindOf(key, value)
	if err == nil && found != expected {
		err = errRecord
	}
	if err == nil && bucket == string(heldBucket) && !heldKeyValid(key) {
		err = errRecord
	}
	if err != nil {
		s.bad(fmt.Errorf("bucket %s, record %x: %w", bucket, key, err))
	}
}

func heldKeyValid(key []byte) bool {
	return len(key) == heldKeyBytes && messages.Class(key[4]) < messages.ClassCount
}

// idSum tells sets of ids from each other.
type idSum struct {
	count int
	sum   uint64
}

func (s *idSum) add(key []byte) {
	s.count++
	if len(key) >= 16 {
		s.sum += uint64(crc32.Checksum(key[len(key)-16:], castagnoli))<<1 | 1
	}
}
