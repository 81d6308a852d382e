"""The platforms' servers, as we call them. Each module is imported only when its channel is on."""
