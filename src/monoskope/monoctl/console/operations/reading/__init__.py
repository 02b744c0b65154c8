"""What the page can ask about secrets, stores, requests and events: nothing here changes anything."""
