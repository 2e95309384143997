"""The golden and the broken volumes of conformance/volumes: made here, and tried here."""
