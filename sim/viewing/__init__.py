"""The live page in the browser: what it draws, and what a person does in it."""
