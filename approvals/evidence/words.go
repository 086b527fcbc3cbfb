package evidence

import (
	"strings"

	"penstock/audit"
)

// Words are the eight words that a document's hash makes: one for each of its
// first eight bytes, 64 bits in all. People compare them by voice; the first
// two are said on the phone.
func Words(h audit.Hash) []string {
	said := make([]string, 8)
	for i := range said {
		said[i] = words[h[i]]
	}
	return said
}

// words has one word for each value of a byte. No two begin with the same three
// letters, so that a half-heard word is still one word. The list is part of the
// evidence format: its order never changes.
var words = strings.Fields(`
acorn admit agent album almond amber angle apple apron arch arrow aspen atlas autumn avenue axle
bacon badge bagel baker bamboo banjo barley basket battle bean beetle bell berry bicycle bird bishop
blanket blossom board bottle bowl brick bronze bubble bucket bulb butter cabin cactus cake camel candle
carpet castle cedar cello chalk cheese cider circle city clover coach cobalt coffee comet copper cotton
cradle crystal cube cumin curtain daisy dance delta desert diamond dinner doctor dolphin donkey door dragon drum
eagle earth echo editor elbow elm ember engine enamel envelope equal estate evening exit fabric falcon farm
father feather fence ferry fiddle field fig finger flag flute forest fossil fountain frost fuel funnel
galaxy garden gate gazelle gentle giant ginger glass goblet golden gorilla grape guitar gypsum habit hammer
harbor hazel heart helmet herring honey horse hotel humid hunter iceberg igloo indigo insect iron island
ivory jacket jaguar january jelly jigsaw jockey jungle kayak kettle kidney kitchen koala label ladder lagoon
lamp lantern lasso lava lemon letter library lily linen lizard lobster locket lunar machine magnet mango marble
meadow medal melon metal mirror mist monkey mosaic mountain museum napkin nectar needle nickel noble north
nugget oak oasis ocean olive onion opera orange orchid otter oven owl oyster paddle palace panda parrot
pebble pencil pepper piano pillow pine planet pocket poem pond potato prism pump quartz queen rabbit radio
rain ribbon river rocket saddle salmon sandal scarf shadow shell silver sketch sleeve smoke snow socket sparrow
spoon squirrel stable storm sugar summer sunset swan table tulip
`)
