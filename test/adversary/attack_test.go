package adversary

import (
	"slices"
	"testing"
)

// An attack is a row of the table in SECURITY.md.
type attack struct {
	name  string
	plays []play
}

// A play is one way to carry out an attack, and how that has to end.
type play struct {
	name  string
	scene scene
	want  verdict
	do    func(t *testing.T) // instead of scene and want, where they are not enough
}

var attacks = slices.Concat(clearAttacks, identityAttacks, streamAttacks, serverAttacks)

func TestAttack(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			for _, p := range a.plays {
				t.Run(p.name, p.run)
			}
		})
	}
}

func (p play) run(t *testing.T) {
	if p.do != nil {
		p.do(t)
		return
	}
	o := p.scene.play(t)
	if wrong := p.want(o); wrong != "" {
		t.Errorf("%s: after %v: %v (the server: %v)", wrong, o.took, o.err, o.served)
	}
	if p.scene.cfg == nil && !inClear(o.sent) {
		t.Errorf("in clear: %q", o.sent)
	}
}

// The plays can fail: without a bridge that does harm, all is well.
func TestHonestBridge(t *testing.T) {
	if o := (scene{}).play(t); harmless(o) != "" || !inClear(o.sent) || ended(o) == "" || broken(o) == "" {
		t.Errorf("%s: %v (the server: %v)", harmless(o), o.err, o.served)
	}
}
