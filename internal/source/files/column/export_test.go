package column

// OpenCSVInBlocks is OpenCSV with blocks of another size.
var OpenCSVInBlocks = openCSV
