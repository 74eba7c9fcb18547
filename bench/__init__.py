"""`make bench`: how fast the program is, each figure beside what it is compared with."""
