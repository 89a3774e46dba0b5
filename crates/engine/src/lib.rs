//! Runs executions durably: turns, timers, task tokens, map runs, redrive
