"""What a listener may ask for: titles, what a request in words means, and which title it is."""
