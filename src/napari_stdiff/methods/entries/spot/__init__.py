"""Parts of SpotDiff's own configuration: network, training, drawing, what its paper prints."""
