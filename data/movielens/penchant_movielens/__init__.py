"""MovieLens latest-small (September 2018), as GroupLens published it: data only.

Non-commercial research use, under GroupLens' own terms: `README.txt` in this folder. Neither this
package nor penchant is endorsed by GroupLens or the University of Minnesota. Cite F. Maxwell Harper
and Joseph A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5, 4 (2015),
https://doi.org/10.1145/2827872.
"""

from pathlib import Path


def path() -> Path:
    """Return the folder that holds ratings.csv, movies.csv, tags.csv, links.csv and README.txt."""
    return Path(__file__).parent
