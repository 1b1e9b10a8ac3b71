"""The napari side: the only package that imports napari, qtpy or magicgui."""
