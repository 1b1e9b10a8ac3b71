"""What `gene_prediction.py` is made of: pairs, methods and peers, units, scores, pages."""
