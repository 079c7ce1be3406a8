"""What is given up, in which order, when this machine cannot keep up or its board is throttled; and by what it shows."""
