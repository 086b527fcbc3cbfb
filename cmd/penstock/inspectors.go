package main

import (
	"penstock/policy/inspect"
	"penstock/policy/inspect/modbus"
)

// inspectors are the protocols that this build reads along in, by the port's
// name: what `enforced: penstock` can mean. A new one is a line here.
var inspectors = inspect.All{
	"modbus": modbus.New,
}
