package distribution

import "math/bits"

// generator gives the numbers of NumPy's default generator, PCG64: a linear congruential generator of 128 bits whose halves are
// joined and rotated (O'Neill 2014, PCG-XSL-RR), seeded by a hash of the seed (O'Neill 2015, seed_seq). Reference data drawn
// with it are those that Soda Core draws.
type generator struct{ state, step uint128 }

type uint128 struct{ high, low uint64 }

func (a uint128) plus(b uint128) uint128 {
	low, carry := bits.Add64(a.low, b.low, 0)
	high, _ := bits.Add64(a.high, b.high, carry)
	return uint128{high, low}
}

func (a uint128) times(b uint128) uint128 {
	high, low := bits.Mul64(a.low, b.low)
	return uint128{high + a.high*b.low + a.low*b.high, low}
}

var multiplier = uint128{2549297995355413924, 4865540595714422341}

func newGenerator(seed uint32) *generator {
	s := seeds(seed)
	sequence := uint128{s[2], s[3]}
	g := &generator{step: uint128{sequence.high<<1 | sequence.low>>63, sequence.low<<1 | 1}}
	g.next()
	g.state = g.state.plus(uint128{s[0], s[1]})
	g.next()
	return g
}

func (g *generator) next() uint64 {
	g.state = g.state.times(multiplier).plus(g.step)
	return bits.RotateLeft64(g.state.high^g.state.low, -int(g.state.high>>58))
}

// float is a number from 0 up to, and not, 1.
func (g *generator) float() float64 { return float64(g.next()>>11) / (1 << 53) }

// seeds spreads a seed over four words: a pool of four is filled from it, stirred, and drawn from.
func seeds(seed uint32) (out [4]uint64) {
	const (
		initA, multA = 0x43b0d7e5, 0x931e8875
		initB, multB = 0x8b51f9dd, 0x58f38ded
		mixL, mixR   = 0xca01f9dd, 0x4973f715
	)
	stir := func(constant *uint32, mult uint32) func(uint32) uint32 {
		return func(value uint32) uint32 {
			value ^= *constant
			*constant *= mult
			value *= *constant
			return value ^ value>>16
		}
	}
	a, b := uint32(initA), uint32(initB)
	into, from := stir(&a, multA), stir(&b, multB)
	pool := [4]uint32{into(seed), into(0), into(0), into(0)}
	for source := range pool {
		for target := range pool {
			if source != target {
				mixed := mixL*pool[target] - mixR*into(pool[source])
				pool[target] = mixed ^ mixed>>16
			}
		}
	}
	for i := range out {
		low := from(pool[2*i%4])
		out[i] = uint64(low) | uint64(from(pool[(2*i+1)%4]))<<32
	}
	return out
}
