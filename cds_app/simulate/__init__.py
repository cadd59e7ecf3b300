"""What would happen to this patient if: the circulation, drugs and fluids, simulated with honest uncertainty. Pure."""
