"""The parts of `covary tune`: what is searched, how, its trials, and what a person sees."""
