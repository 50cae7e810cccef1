"""Which topic feeds which stage, as data; and its binding to Faust."""
