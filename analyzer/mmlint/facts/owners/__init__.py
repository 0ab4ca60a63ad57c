"""References, pins and other resources: who takes them, who owes them, and on which way they are lost."""
