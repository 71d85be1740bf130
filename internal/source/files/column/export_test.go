package column

// OpenCSVInBlocks and ReadJSONInBlocks are OpenCSV and ReadJSON with blocks of another size.
var (
	OpenCSVInBlocks  = openCSV
	ReadJSONInBlocks = readJSON
)
