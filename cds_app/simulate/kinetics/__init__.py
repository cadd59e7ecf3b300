"""How drugs move in a body and act: published population models, and one patient's own parameters in them."""
