"""Networks that packages name as their architecture."""
