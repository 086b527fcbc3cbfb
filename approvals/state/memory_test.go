package state_test

import (
	"testing"

	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
)

func TestMemory(t *testing.T) {
	statetest.Run(t, func(statetest.T) (state.Store, func() state.Store) { return state.NewMemory(), nil })
}
