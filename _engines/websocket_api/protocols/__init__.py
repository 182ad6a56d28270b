"""How clients talk: one module per protocol."""
