"""What a patch does to locks and contexts: their sections, their order, what runs inside them."""
