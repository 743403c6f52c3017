"""The pure part of the screen: what it knows of a district, and how it draws the map."""
