//! C programs, each for one promise of the header, under valgrind.
