package bolt

import (
	"fmt"
	"io"
	"log"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// commitTx commits a transaction. Where that fails bbolt would look through the whole file for pages that are free, in a
// goroutine of its own: a page that can't be read ends the program there, and a large file takes long. But it tells its
// logger before, which panics. Nothing but closing may follow a failure: what bbolt takes for free may be in use.
func commitTx(tx *bbolt.Tx) (err error) {
	logger, told := tx.DB().Logger().(*failures)
	if !told {
		return tx.Commit()
	}
	logger.committing.Store(true)
	defer func() {
		logger.committing.Store(false)
		switch p := recover().(type) {
		case nil:
		case *commitFailure:
			err = p.err
		default:
			panic(p)
		}
	}()
	return tx.Commit()
}

// commitFailure is what failures panics with.
type commitFailure struct{ err error }

// failures is bbolt's logger, and panics over what it is told of a commit that fails.
type failures struct {
	bbolt.DefaultLogger
	committing atomic.Bool
}

func newFailures() *failures {
	return &failures{DefaultLogger: bbolt.DefaultLogger{Logger: log.New(io.Discard, "", 0)}}
}

// Errorf implements bbolt.Logger.
func (f *failures) Errorf(format string, args ...any) {
	if !f.committing.Load() {
		return
	}
	for _, arg := range args {
		if err, is := arg.(error); is {
			panic(&commitFailure{err})
		}
	}
	panic(&commitFailure{fmt.Errorf(format, args...)})
}
