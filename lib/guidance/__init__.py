"""Chapter 6: guidance."""
