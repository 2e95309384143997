"""What every implementation of the session protocol must do, whatever lies below it."""
