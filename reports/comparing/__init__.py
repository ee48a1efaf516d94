"""One method against another: what is missing is run, then judged in pairs."""
