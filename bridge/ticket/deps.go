package ticket

import _ "github.com/golang-jwt/jwt/v5" // until it is used
