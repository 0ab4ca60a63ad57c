"""What an edit is, whatever it is about: one word, an order, a jump, a call that is gone."""
