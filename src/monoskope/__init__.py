"""Monoskope: put secrets into the stores you have, through a control plane that cannot read them."""
