"""Measurements, run by hand; the tests here only show that they still work, and look at no clock."""
