(* FIL-1, Krall FX5, program 4.2.1 *)
PROGRAM fil1
VAR
  volume   : INT;   (* 40012, ml *)
  recipe   : INT := 800;
  f417     : BOOL;  (* fill volume drifts *)
END_VAR
IF ABS(volume - recipe) * 1000 / recipe >= 15 THEN
  f417 := TRUE;
  valve_main := FALSE;
END_IF;
IF f417 AND ABS(volume - recipe) * 1000 / recipe < 5 THEN
  f417 := FALSE;    (* may be started again; it does not start itself *)
END_IF;
END_PROGRAM
