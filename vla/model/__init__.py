"""The model: configuration, modeling, processing and the parts that they compose."""
