"""The secret reactor: it opens what was sealed for it, writes upstream and answers with signed receipts."""
