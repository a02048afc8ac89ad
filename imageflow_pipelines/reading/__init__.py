"""Printed text from what a network answers: pure code, which knows no components and no registry."""
