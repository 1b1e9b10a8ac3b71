"""What looking at a tissue costs: in this plugin, in napari-spatialdata and in napari itself."""
