package network

import (
	"fmt"
	"net/http"
)

// StatusText is how errors write a status: "404 (Not Found)", or the number alone where HTTP does not know it.
func StatusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return fmt.Sprintf("%d (%s)", status, text)
	}
	return fmt.Sprint(status)
}
