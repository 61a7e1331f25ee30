"""From changes of what users say to changes of the Scene."""
