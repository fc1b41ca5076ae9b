// Its functions are in the header, to be inlined.
#include "CLanes.h"
