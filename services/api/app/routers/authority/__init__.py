"""The authority's own surface under ``/authority``: every route needs a key of the right role."""
