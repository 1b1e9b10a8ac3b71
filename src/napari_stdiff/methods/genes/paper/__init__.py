"""The parts of SpaDiT as its paper has it: embedding, conditions, backbones, process, training."""
