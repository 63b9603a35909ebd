"""The app of a small project that every Django from 3.2 on can run; it is never imported by ours."""
