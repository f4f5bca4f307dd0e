"""Operating points that are runs of their own: minutes without a break, and MLPerf LoadGen; and whether they agree."""
