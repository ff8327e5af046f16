package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// TestMain draws a seed and prints it, unless -rapid.seed gives one.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(processors)
	set("rapid.checks", fmt.Sprint(checks))
	set("rapid.nofailfile", "true")
	flag.Parse()
	if flag.Lookup("rapid.seed").Value.String() == "0" {
		set("rapid.seed", fmt.Sprint(rand.Uint32()))
	}
	fmt.Fprintf(os.Stderr, "simulation: -rapid.seed=%v -rapid.checks=%v\n", flag.Lookup("rapid.seed").Value, flag.Lookup("rapid.checks").Value)
	goleak.VerifyTestMain(m)
}

func set(name, value string) {
	if err := flag.Set(name, value); err != nil {
		panic(err)
	}
}

func TestRouterKeepsItsPromises(t *testing.T) {
	var first sync.Once
	rapid.Check(t, func(c *rapid.T) {
		s := scenarios().Draw(c, "scenario")
		if r := play(t, s); r.broken != nil {
			first.Do(func() { t.Logf("found: %s\n%s\n%#v%s", r.broken.rule, r.broken.detail, s, r.story()) })
			c.Logf("%s\n%s", r.broken.detail, r.story())
			c.Fatalf("broken: %s", r.broken.rule)
		}
	})
}

func TestRouterWithAStoreKeepsItsPromises(t *testing.T) {
	var first sync.Once
	rapid.Check(t, func(c *rapid.T) {
		s := keptScenarios().Draw(c, "scenario")
		if r := playKept(t, s); r.broken != nil {
			first.Do(func() { t.Logf("found: %s\n%s\n%#v%s", r.broken.rule, r.broken.detail, s, r.story()) })
			c.Logf("%s\n%s", r.broken.detail, r.story())
			c.Fatalf("broken: %s", r.broken.rule)
		}
	})
}
