package main

import "penstock/broker/login"

func init() { passwordCost = login.CheapCost }
